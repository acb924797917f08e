"""Neural rejection and deep neural rejection, attacked by who knows them."""
