"""Progressive validation: how good the live answers are, on purchases before they count."""
