"""Tables in and out: every upload format read block by block, every array written in the format asked for."""
