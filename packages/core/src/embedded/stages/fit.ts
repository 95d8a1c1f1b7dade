/** Documents added since are looked at when they have so many tokens; until then they are candidates of every search, for 2 ms. */
export const UNSEEN_TOKENS = 16_384
