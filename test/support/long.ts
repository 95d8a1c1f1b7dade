/** `npm run test:long` does as much as it takes, `npm test` what there is time for. */
export const isLong = process.env['SEROTINE_LONG'] !== undefined

export const times = (short: number, long: number): number => (isLong ? long : short)
