"""How far integer noise is from the continuous Gaussian that is accounted for: two slack bounds.

Closed-form arithmetic on standard deviations only; this file must not know charters, events or
the accounting library.

**Why 0.99.** A city adds discrete Gaussian noise, the accountant composes continuous Gaussians.
Let μ ∈ Z, Z ~ N_Z(μ, σ²). Build Z' from a continuous Gaussian by post-processing only: draw
X ~ N(μ, (0.99 σ)²), then Z' | X on the integers with weights exp(−(z − X)² / 2σ₁²), where
σ₁² = σ² (1 − 0.99²). By Poisson summation the normaliser Σ_z exp(−(z − x)² / 2σ₁²) lies within
√(2π) σ₁ (1 ± η) for every real x, with

    η = 2 Σ_{k≥1} exp(−2π² σ₁² k²) ≤ 2 r / (1 − r),   r = exp(−2π² σ₁²).

Convolving the two Gaussians gives P(Z' = z) ∈ φ_σ(z − μ) / (1 ± η), φ_σ the density of N(0, σ²),
and the same summation at σ > σ₁ gives P(Z = z) ∈ φ_σ(z − μ) / (1 ± η). So in each coordinate
|ln P(Z = z) − ln P(Z' = z)| ≤ ln((1 + η) / (1 − η)) = 2 artanh η, in d coordinates d times that.
Z' is a post-processing of a Gaussian of width 0.99 σ and so at least as private.

**Sums of shares.** n cities each add N_Z(0, σ_c²). Kairouz, Liu and Steinke, "The Distributed
Discrete Gaussian Mechanism for Federated Learning with Secure Aggregation" (ICML 2021), section 3:
the sum is within τ = 10 Σ_{k=1}^{n−1} exp(−2π² σ_c² k / (k + 1)) of N_Z(0, n σ_c²) in max
divergence, coordinate by coordinate (their convolution theorem has 5; we keep the factor two).

**From a pointwise bound to (ε, δ).** If every probability of a mechanism M is within a factor
exp(±L) of that of M', and M' is (ε, δ)-DP, then M is (ε + 2L, exp(L) δ)-DP. L adds up under
adaptive composition, and a Poisson-sampled mixture is within the L of its parts.
"""

import math

# Share of the discrete width that the continuous stand-in has (derivation above).
CONTINUOUS_SHARE = 0.99
# Smallest width of one city's noise in integer units; here the slack of one round at d = 20,000
# stays under 2e-6 and that of the shares under 1e-269.
LEAST_SD_UNITS = 8.0
# Roster size used for the share bound: the most a charter admits.
MOST_SHARES = 512


def continuous_log_ratio(sd: float, length: int) -> float:
    """Bound on |ln P(Z) − ln P(Z')| over Z^length; ``sd`` of the discrete one in integer units."""
    residual = sd * sd * (1.0 - CONTINUOUS_SHARE**2)
    r = math.exp(-2.0 * math.pi**2 * residual)
    if r >= 1.0 / 3.0:  # η would be 1 or more
        return math.inf
    eta = 2.0 * r / (1.0 - r)
    return length * 2.0 * math.atanh(eta)


def share_log_ratio(share_sd: float, shares: int, length: int) -> float:
    """Bound on |ln| between the sum of ``shares`` discrete Gaussians and one of the joint width."""
    exponent = -2.0 * math.pi**2 * share_sd * share_sd
    return length * 10.0 * math.fsum(math.exp(exponent * k / (k + 1)) for k in range(1, shares))


def log_ratio(sum_sd: float, length: int) -> float:
    """Both bounds for one release, for any roster whose shares are at least LEAST_SD_UNITS wide."""
    return continuous_log_ratio(sum_sd, length) + share_log_ratio(
        LEAST_SD_UNITS, MOST_SHARES, length
    )
