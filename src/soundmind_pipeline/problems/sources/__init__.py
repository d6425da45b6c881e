"""Sources of problems that somebody else made: published data sets, read into the text columns of the sample table.

A reader gives every row that it can use, and beside them each that it cannot, with its place and the reason.
"""
