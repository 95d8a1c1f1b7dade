/** Checks of options and values, with the messages of the core: for packages built on it. */
export { checkInteger, checkOptions, checkString, describe, nearestName } from '../options.js'
export { ENCODE_OPTIONS, LOAD_OPTIONS } from '../load-options.js'
