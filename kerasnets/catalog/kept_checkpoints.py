"""Which checkpoints stay once training has finished."""

# One for each epoch; the last, from which training goes on to more epochs; or none.
KEEP = ALL, LAST, NONE = "all", "last", "none"
