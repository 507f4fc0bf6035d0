"""Who is compared with whom: matching variables, strata, anchors, purification."""
