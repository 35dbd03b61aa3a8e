"""What customers did: purchases as they happen, and the histories they add up to."""
