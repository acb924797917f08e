"""The web page. Importing it loads no recognizer: that happens when the first photo comes."""
