"""What the notebooks 02 to 05 show: a function an exhibit, which draws what was computed, puts its
caption under it and keeps both (lib.report.exhibits). `here` is the lib.study.Study that the
notebook opened."""
