import * as fc from 'fast-check'

export * from 'fast-check'

/** Rounds of random cases; 0 is the one round of cases that is the same on every machine. */
const rounds = Number(process.env['SEROTINE_FUZZ'] ?? 0)

const atRandom = (parameters: fc.Parameters<unknown>): object => {
  const { seed: _, numRuns = 100, ...others } = parameters
  return { ...others, numRuns: numRuns * rounds }
}

/** `fast-check`'s, with the same cases each time, so that what fails was changed; `npm run fuzz` looks for others, and SEROTINE_SEED names them. */
export const assert = ((property: fc.IRawProperty<unknown>, parameters: fc.Parameters<unknown> = {}) =>
  fc.assert(
    property as never,
    rounds > 0 ? atRandom(parameters) : { seed: Number(process.env['SEROTINE_SEED'] ?? 42), ...parameters },
  )) as typeof fc.assert
