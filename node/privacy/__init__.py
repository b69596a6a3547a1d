"""The privacy floor of a city: noise, suppression, pseudonyms and the budget."""
