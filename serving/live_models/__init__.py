"""The models that answer, kept fresh by every purchase, and how one takes another's place."""
