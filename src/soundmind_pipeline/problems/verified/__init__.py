"""The embedded source ``verified``: logic problems whose labels are decided by enumerating every model."""
