"""Which checkpoints to keep once training has finished."""

# One per epoch; the last, from which training can resume with more epochs; or none.
KEEP = ALL, LAST, NONE = "all", "last", "none"
