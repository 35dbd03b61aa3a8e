"""From a request to recommendations, whichever way it came."""
