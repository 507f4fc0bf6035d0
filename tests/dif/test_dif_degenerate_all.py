"""Every method on data that allow little or nothing: a result or a reason, never a crash or a warning."""

from __future__ import annotations

NAN = float("nan")

# What a method is asked for: never NaN where the item counts as estimable.
MAIN = {
    "smd": ("smd", "se", "z", "p", "sd", "es", "es_own"),
    "mantel": ("mantel_z", "mantel_chi2", "mantel_p"),
    "ordinal": (
        *(f"{kind}_{test}{p}" for kind in ("lr", "wald") for test in TESTS for p in ("", "_p")),
        *("nagelkerke_change", "mcfadden_change", "coxsnell_change", "nagelkerke_uniform"),
    )
    if (TESTS := ("total", "uniform", "nonuniform"))
    else (),
    "liu_agresti": ("la_log_or", "la_or", "la_se", "la_z", "la_p", "la_low", "la_high"),
    "gmh": ("gmh_chi2", "gmh_df", "gmh_p"),
    "location_scale": ("scale_lr", "scale_p", "scale_effect", "scale_se", "location_effect"),
    "adjacent": (
        *(f"adjacent_lr_{test}{p}" for test in TESTS for p in ("", "_p")),
        *("adjacent_group_effect", "adjacent_group_effect_se"),
    ),
    "polysib": ("polysib_beta", "polysib_se", "polysib_z", "polysib_p"),
    "crossing_polysib": ("csib_beta", "csib_chi2", "csib_df", "csib_p"),
    "mantel_haenszel": ("mh_chi2", "mh_p", "mh_alpha", "mh_log_or", "mh_se", "mh_delta", "mh_delta_se"),
    "breslow_day": ("bd_chi2", "bd_df", "bd_p", "bd_trend_chi2", "bd_trend_p"),
    "logistic": (
        *(f"logistic_{kind}_{test}{p}" for kind in ("lr", "wald") for test in TESTS for p in ("", "_p")),
        *("logistic_nagelkerke_total", "logistic_group", "logistic_group_se", "logistic_match"),
    ),
    "standardisation": ("std_p_dif", "std_se", "std_z", "std_p"),
    "generalised_mantel": ("gm_chi2", "gm_df", "gm_p"),
    "thresholds": ("dsf_log_or", "dsf_se", "dsf_z", "dsf_p"),
}
