"""Which pixels a prediction rests on."""
