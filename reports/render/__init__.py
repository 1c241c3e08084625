"""Files that people read: HTML, Markdown and pictures, written from their views."""
