"""The files of a new table, source or system. The templates in the folders beside it show what is written."""
