import { openChecked } from '../embedded/embedded-store.js'
import { checksumOf, readManifest } from '../embedded/format/manifest-file.js'
import { checkEmbedded, checkOnWarning } from '../embedded/options.js'
import type { EmbeddedOptions } from '../embedded/options.js'
import type { Encoder } from '../encoder.js'
import { SerotineError } from '../errors.js'
import { checkOptions, describe } from '../options.js'
import { checkSameModel } from '../store/same-model.js'
import type { Store } from '../store/store.js'

/** How an index is opened or made. */
export interface OpenOptions extends Omit<
  EmbeddedOptions,
  'model' | 'segmentBytes' | 'graphNumbers' | 'compactBytes' | 'compressTokens'
> {
  /** Encodes queries and added texts. Without one, documents and queries must be embeddings. */
  model?: Encoder | undefined
}

/** A store, and how to open what is there later. */
export interface OpenedStore {
  readonly store: Store
  readonly folder: string | undefined
  /** Of a folder that is only read: the state there is now, unless it is the one that was opened last. */
  readonly reopen?: () => Promise<Store | undefined>
}

/** What is left to say of a store that is open already. */
const OPTIONS_OF_STORES = ['model', 'onWarning']

/**
 * A folder's store, or the one given, after checking that the model fits what is in it.
 *
 * @throws INVALID_ARGUMENT, UNKNOWN_OPTION, INDEX_MISMATCH and what opening throws
 */
export async function openStore(where: string | Store | undefined, options: OpenOptions): Promise<OpenedStore> {
  const { model } = options ?? {}
  if (model !== undefined && typeof model?.encodeQueries !== 'function') {
    throw new SerotineError(
      'INVALID_ARGUMENT',
      `model must be a loaded model like \`await ColBERT.load()\`, got ${describe(model)}.`,
    )
  }
  if (isStore(where)) {
    checkOptions('MultiVectorIndex.open() of a store', options, OPTIONS_OF_STORES)
    checkOnWarning(options.onWarning)
    checkModel(where, model)
    return { store: where, folder: undefined }
  }
  const checked = checkEmbedded('MultiVectorIndex.open()', where, options)
  const open = async () => {
    const store = await openChecked(checked)
    try {
      checkModel(store, model)
      return store
    } catch (error) {
      await store.close()
      throw error
    }
  }
  const store = await open()
  const { folder } = store
  if (!checked.readonly || folder === undefined) return { store, folder }
  let seen = store.checksum
  // Asked often: the manifest alone says whether anything has changed.
  const reopen = async () => {
    if (checksumOf(readManifest(folder)) === seen) return undefined
    const next = await open()
    seen = next.checksum
    return next
  }
  return { store, folder, reopen }
}

function isStore(where: unknown): where is Store {
  return typeof where === 'object' && where !== null && typeof (where as Partial<Store>).reading === 'function'
}

/** What is in the store must not contradict the model. @throws INDEX_MISMATCH naming both */
function checkModel({ name, spec }: Store, model: Encoder | undefined): void {
  if (!model) return
  checkSameModel(name, spec.model, model)
  if (spec.dim !== null && model.dim !== spec.dim) {
    throw new SerotineError(
      'INDEX_MISMATCH',
      `The index ${name} holds vectors of dimension ${spec.dim}, the model ${model.name} makes ${model.dim}. ` +
        'Build another index in another folder, or open it with the settings it has.',
    )
  }
}
