import { SerotineError } from '@serotine/core'

/**
 * Loads a package that is installed only by those who need it.
 *
 * @throws READER_MISSING naming what to install
 */
export async function loadOptional<T>(name: string, what: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    throw new SerotineError(
      'READER_MISSING',
      `${what} is read with the package ${name}, which cannot be loaded. Install it: npm install ${name}`,
      { cause },
    )
  }
}
