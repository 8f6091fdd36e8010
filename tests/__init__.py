"""Sentences about Yidan that a machine checks; the folders mirror the packages."""
