"""The pictures in PNG/, one file a kind."""
