"""The synthetic labour market: drawn from published figures, written as cities' exports."""
