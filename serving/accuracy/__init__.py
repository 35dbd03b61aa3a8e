"""How good the live answers are, measured on purchases before they count."""
