"""Many runs seen together: the paper's study repeated, and runs compared."""
