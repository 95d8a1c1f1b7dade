import { describe } from '../../options.js'
import { SerotineError } from '../../errors.js'

/** How transformers makes a tokenizer: from tokenizer.json as it is, or by building the pipeline of a class anew. */
export type Construction = 'as saved' | 'bert' | 'roberta' | 'xlm-roberta' | 'gemma'

/** The class that transformers 5 expects of each encoder; only then does it build the class's own pipeline. */
const EXPECTED: Readonly<Record<string, string>> = {
  bert: 'BertTokenizer',
  distilbert: 'BertTokenizer',
  roberta: 'RobertaTokenizer',
  'xlm-roberta': 'XLMRobertaTokenizer',
}
const BUILT: Readonly<Record<string, Construction>> = {
  BertTokenizer: 'bert',
  RobertaTokenizer: 'roberta',
  XLMRobertaTokenizer: 'xlm-roberta',
  GemmaTokenizer: 'gemma',
}
/** BertTokenizer by another name. */
const BERT_KIN =
  /^(DistilBert|Electra|MobileBert|ConvBert|SqueezeBert|LayoutLM|Lxmert|Funnel|RetriBert|DPR(ContextEncoder|QuestionEncoder|Reader))Tokenizer$/
/** No class of its own. */
const GENERIC = ['PreTrainedTokenizer', 'TokenizersBackend']
/** Other classes of transformers whose tokenizer.json is the whole tokenizer. */
const SAVED = (
  'Albert Bart Barthez BigBird Blenderbot Camembert CLIP CodeLlama Cohere Deberta DebertaV2 FNet GPT2 GPTNeoX Herbert ' +
  'LayoutLMv2 LayoutLMv3 LayoutXLM LED Llama Longformer Luke MBart MBart50 MPNet MT5 MarkupLM Mvp Nllb OpenAIGPT Pegasus ' +
  'Qwen2 Reformer RemBert RoFormer SeamlessM4T Splinter T5 XGLM XLNet XMod'
)
  .split(' ')
  .map((name) => `${name}Tokenizer`)

/**
 * What transformers 5.3, and so PyLate 1.6, makes of a tokenizer class.
 *
 * @param name `tokenizer_class` of tokenizer_config.json (or config.json); undefined without one
 * @param modelType `model_type` of config.json; undefined where there is none
 * @param saved whether there is a tokenizer.json; false: only vocab.txt
 * @param looksLikeBert the pipeline is BERT's, which decides where neither class nor model type is known
 * @throws MODEL_UNSUPPORTED naming a class that is not known here, or whose pipeline would be built anew by rules that
 *   are not here
 */
export function construction(
  name: string | undefined,
  modelType: string | undefined,
  saved: boolean,
  looksLikeBert: boolean,
): Construction {
  const expected = modelType === undefined ? undefined : EXPECTED[modelType]
  if (name === undefined) {
    if (expected !== undefined) return BUILT[expected]!
    return looksLikeBert || !saved ? 'bert' : 'as saved'
  }
  const plain = name.replace(/Fast$/, '')
  const kin = BERT_KIN.test(plain)
  if (!kin && BUILT[plain] === undefined && !GENERIC.includes(plain) && !SAVED.includes(plain)) {
    throw unsupported(
      name,
      saved
        ? 'is not known here, and may cut text in a way that tokenizer.json does not say'
        : 'is not known here, and vocab.txt does not say how it cuts text',
    )
  }
  if (!saved) {
    if (kin || plain === 'BertTokenizer') return 'bert'
    throw unsupported(name, 'needs a tokenizer.json; the folder has only vocab.txt')
  }
  // transformers takes the file as it is where the class is not the one that the encoder usually has.
  if (GENERIC.includes(plain) || (expected !== undefined && expected !== plain)) return 'as saved'
  if (modelType === undefined) return kin ? 'bert' : (BUILT[plain] ?? 'as saved')
  if (kin) return 'bert'
  const built = BUILT[plain]
  if (built) return built
  throw unsupported(
    name,
    `with model_type ${describe(modelType)} is built anew by transformers, whatever tokenizer.json says`,
  )
}

function unsupported(name: string, what: string): SerotineError {
  return new SerotineError(
    'MODEL_UNSUPPORTED',
    `tokenizer_config.json: "tokenizer_class" ${describe(name)} ${what}. Make the tokenizer yourself and pass it as ` +
      '`tokenizer`, or save it once in Python as PreTrainedTokenizerFast if its tokenizer.json is complete.',
  )
}
