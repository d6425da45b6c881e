"""The algorithms written once more from the papers as slow float64 loops over lists: what the tensor code must equal.

Nothing here is vectorised or shared with the package. Rows are lists of the valid tokens only, so there is no padding.
"""

import math


def kl(estimator, log_prob, reference):
    log_ratio = log_prob - reference
    if estimator == "k1":
        return log_ratio
    if estimator == "k2":
        return log_ratio**2 / 2
    return math.exp(-log_ratio) - 1 + log_ratio


def group_advantage(baseline, group, index):
    mean = sum(group) / len(group)
    if baseline == "none":
        return group[index]
    if baseline == "group_mean":
        return group[index] - mean
    if baseline == "leave_one_out":
        others = [reward for other, reward in enumerate(group) if other != index]
        return group[index] - sum(others) / len(others)
    deviation = math.sqrt(sum((reward - mean) ** 2 for reward in group) / (len(group) - 1))
    return (group[index] - mean) / (deviation + 1e-6) if max(group) > min(group) else 0.0


def advantages(rewards, kls, group_size, params):
    """One list a row: eq. 6 for ``none``, whole-response comparison for the group baselines, then eq. 7."""
    beta = params.kl_beta if params.kl_placement == "reward" else 0.0
    rows = []
    for row, row_kls in enumerate(kls):
        if params.advantage == "none":
            rows.append([rewards[row] - beta * sum(row_kls[token:]) for token in range(len(row_kls))])
            continue
        first = row - row % group_size
        members = range(first, first + group_size)
        group = [rewards[member] - beta * sum(kls[member]) for member in members]
        rows.append([group_advantage(params.advantage, group, row - first)] * len(row_kls))
    if params.whitening:
        flat = [value for values in rows for value in values]
        mean = sum(flat) / len(flat)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in flat) / len(flat))
        rows = [[(value - mean) / deviation for value in values] for values in rows]
    return rows


def token_loss(log_prob, old, advantage, params):
    ratio = math.exp(log_prob - old)
    clipped = min(max(ratio, 1 - params.clip_low), 1 + params.clip_high)
    objective = min(ratio * advantage, clipped * advantage)
    if params.dual_clip is not None and advantage < 0:
        objective = max(objective, params.dual_clip * advantage)
    return -objective


def aggregate(rows, aggregation, constant_length):
    if aggregation == "token_mean":
        return sum(sum(row) for row in rows) / sum(len(row) for row in rows)
    if aggregation == "sequence_mean":
        return sum(sum(row) / len(row) for row in rows) / len(rows)
    return sum(sum(row) for row in rows) / (len(rows) * constant_length)


def loss(log_probs, old, reference, row_advantages, params, constant_length):
    beta = params.kl_beta if params.kl_placement == "loss" else 0.0
    rows = [
        [
            token_loss(new_t, old_t, advantage, params) + beta * kl(params.kl_estimator, new_t, reference_t)
            for new_t, old_t, reference_t, advantage in zip(*row, strict=True)
        ]
        for row in zip(log_probs, old, reference, row_advantages, strict=True)
    ]
    return aggregate(rows, params.aggregation, constant_length)
