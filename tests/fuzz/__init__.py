"""Mutated files: no reader may crash, hang, or lose a record without a word.

python -m tests.fuzz --minutes 60
"""
