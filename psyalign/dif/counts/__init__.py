"""What every DIF statistic starts from: counts of persons by item, stratum, group and score."""
