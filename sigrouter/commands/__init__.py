"""What an operator may type after ``sigrouter``; one module for each command, imported only when it is called."""
