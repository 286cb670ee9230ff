//! A process for each cell, rounds, statistics, and the run folder.
