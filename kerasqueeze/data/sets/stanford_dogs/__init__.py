"""Stanford Dogs in the forms that people have it in."""
