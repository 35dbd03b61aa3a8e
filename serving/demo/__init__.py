"""`alsobought demo`: a made-up shop around the real service."""
