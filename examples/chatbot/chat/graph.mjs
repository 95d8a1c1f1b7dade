// A turn of a conversation as a LangGraph graph:
//
//   rewrite ─▶ retrieve ─┬─▶ answer
//                        └─▶ nothing
//
// The checkpointer keeps what was said, a thread for each conversation.
import { AIMessage, HumanMessage } from '@langchain/core/messages'
import { END, MessagesValue, START, StateGraph, StateSchema } from '@langchain/langgraph'
import { z } from 'zod'
import { citedIn } from './citations.mjs'
import { extract } from './extract.mjs'
import { LastStates, turnsOf } from './history.mjs'
import { answerWithModel } from './model-answer.mjs'
import { explainModelError } from './model-errors.mjs'
import { rewriteByRule, rewriteWithModel, wordsOf } from './rewrite.mjs'
import { sourcesOf } from './sources.mjs'

/**
 * @typedef {import('./sources.mjs').Source} Source
 * @typedef {import('./sources.mjs').SearchSummary} SearchSummary
 * @typedef {import('./history.mjs').Turn} Turn
 * @typedef {import('@langchain/core/documents').DocumentInterface} DocumentInterface
 *
 * @typedef {object} AnswerDetails What is kept of an answer beside its text.
 * @property {'answered' | 'nothing' | 'stopped' | 'failed'} status
 * @property {number[]} cited
 * @property {Source[]} sources
 * @property {SearchSummary} [search]
 * @property {string} [problem] why it failed
 *
 * @typedef {{ type: 'rewritten', question: string }
 *   | { type: 'found', sources: Source[], search: SearchSummary }
 *   | { type: 'text', text: string }
 *   | { type: 'done', turn: Turn }} ChatEvent What the page hears while a question is answered, in this order.
 *
 * @typedef {object} ChatOptions
 * @property {import('../library/library.mjs').Library} library
 * @property {import('./models.mjs').ChatModel} [chatModel] without one, answers are quotations
 * @property {number} [threshold] default THRESHOLD
 * @property {number} [silenceMs] after which a silent chat model is given up; default a minute
 * @property {(error: unknown) => void} [onError] is told of what the page only calls a failure
 */

/**
 * Mean similarity of the best passage below which nothing was found. Measured with the embedded model. This project's documentation: each
 * of 30 questions about it has a better passage, none of 30 about something else has one. 240 paragraphs of Wikipedia (XQuAD): 194 of 200
 * questions have one, and 9 of 60 about something else. Another model needs another value; docs/scores.md says how to find it.
 */
const THRESHOLD = 0.83
/** Once the best passage is above the threshold, others help when they are this little below it. */
const LEEWAY = 0.05
/** Passages that are shown where nothing was found. */
const NEAREST = 2

const NOTHING = 'I found nothing about this in your documents.'
const UNREAD = 'I found nothing about this yet: your documents are still being read. Ask again in a moment.'
const EMPTY = 'There is nothing to search in yet. Drop some files here first.'
const FAILED = 'Something failed on the server. Its log says what.'

/** @type {z.ZodType<Source[]>} */
const sourcesSchema = z.array(z.any())
/** @type {z.ZodType<SearchSummary | undefined>} */
const searchSchema = z.any()

const State = new StateSchema({
  messages: MessagesValue,
  /** As it is searched for: it can be understood without the conversation. */
  question: z.string().default(''),
  sources: sourcesSchema.default([]),
  /** Where nothing was found: what came nearest. */
  nearest: sourcesSchema.default([]),
  search: searchSchema,
})
/** @typedef {typeof State.State} ChatState */

/** What a node is given besides the state. */
const Context = z.object({ stop: z.instanceof(AbortSignal) })
/** @typedef {import('@langchain/langgraph').LangGraphRunnableConfig<z.infer<typeof Context>>} NodeConfig */

export class Chat {
  #options
  #graph
  /**
   * Of conversations whose last question is being answered.
   *
   * @type {Map<string, AbortController>}
   */
  #answering = new Map()

  /** @param {ChatOptions} options */
  constructor({ threshold = THRESHOLD, silenceMs = 60_000, onError = () => {}, ...options }) {
    this.#options = { threshold, silenceMs, onError, ...options }
    this.#graph = new StateGraph(State, Context)
      .addNode('rewrite', (state, config) => this.#rewrite(state, config))
      .addNode('retrieve', (state, config) => this.#retrieve(state, config))
      .addNode('answer', (state, config) => this.#answer(state, config))
      .addNode('nothing', (state) => this.#nothing(state))
      .addEdge(START, 'rewrite')
      .addEdge('rewrite', 'retrieve')
      .addConditionalEdges(
        'retrieve',
        ({ sources }, config) => (sources.length > 0 || config.context?.stop.aborted ? 'answer' : 'nothing'),
        ['answer', 'nothing'],
      )
      .addEdge('answer', END)
      .addEdge('nothing', END)
      .compile({ checkpointer: new LastStates() })
  }

  /**
   * @param {string} conversation
   * @returns {Promise<Turn[]>}
   */
  async turns(conversation) {
    const { values } = await this.#graph.getState({ configurable: { thread_id: conversation } })
    return turnsOf(values.messages ?? [])
  }

  /** @param {string} conversation */
  isAnswering(conversation) {
    return this.#answering.has(conversation)
  }

  /**
   * Ends the answer that is being made, which then is done with what was said until now.
   *
   * @param {string} conversation
   * @returns {boolean} whether there was one
   */
  stop(conversation) {
    const answering = this.#answering.get(conversation)
    answering?.abort()
    return answering !== undefined
  }

  /**
   * Answers a question. Stopping ends the work, at the provider's too; what was said until then is kept.
   *
   * @param {string} conversation
   * @param {string} question
   * @returns {AsyncGenerator<ChatEvent>}
   */
  async *ask(conversation, question) {
    const answering = new AbortController()
    this.#answering.set(conversation, answering)
    try {
      const events = await this.#graph.stream(
        { messages: [new HumanMessage(question)], sources: [], search: undefined },
        {
          configurable: { thread_id: conversation },
          // Not as the signal of the graph, which would forget the turn.
          context: { stop: answering.signal },
          streamMode: 'custom',
          durability: 'exit',
        },
      )
      for await (const event of events) yield /** @type {ChatEvent} */ (event)
      const turn = (await this.turns(conversation)).at(-1)
      if (turn) yield { type: 'done', turn }
    } finally {
      this.#answering.delete(conversation)
    }
  }

  /**
   * @param {ChatState} state
   * @param {NodeConfig} config
   */
  async #rewrite({ messages }, config) {
    const history = turnsOf(messages.slice(0, -1))
    const asked = messages.at(-1)?.text ?? ''
    const question = await this.#standalone(asked, history, stopOf(config))
    if (question !== asked) tell(config, { type: 'rewritten', question })
    return { question }
  }

  /**
   * @param {string} asked
   * @param {Turn[]} history
   * @param {AbortSignal} stop
   */
  async #standalone(asked, history, stop) {
    const { chatModel, silenceMs } = this.#options
    if (chatModel) {
      const signal = AbortSignal.any([stop, AbortSignal.timeout(silenceMs)])
      // The rule does, too; the answer will say what is wrong with the model.
      const rewritten = await rewriteWithModel(asked, answered(history), { model: chatModel.model, signal }).catch(
        () => undefined,
      )
      if (rewritten !== undefined) return rewritten
    }
    const last = answered(history).at(-1)
    if (!last) return asked
    const { cited, sources } = last.details
    const headings = sources.flatMap(({ number, heading, name }) => (cited.includes(number) ? [heading ?? name] : []))
    return rewriteByRule(asked, { standalone: last.standalone, headings })
  }

  /**
   * @param {ChatState} state
   * @param {NodeConfig} config
   */
  async #retrieve({ question }, config) {
    const { library, threshold } = this.#options
    const stop = stopOf(config)
    try {
      const { documents, found } = await this.#search(question, stop)
      const similarityOf = (/** @type {DocumentInterface} */ { metadata }) => Number(metadata['relevanceScore'])
      const best = Math.max(-1, ...documents.map(similarityOf))
      const near = documents.filter((document) => similarityOf(document) >= threshold - LEEWAY)
      const shown = best >= threshold ? near : documents.slice(0, NEAREST)
      const sources = found ? await sourcesOf(shown, found, { question, library, signal: stop }) : []
      const isFound = best >= threshold && saysEnough(question, sources)
      const search = { question, ...summaryOf(found), best, threshold, passages: library.state.passages }
      tell(config, { type: 'found', sources: isFound ? sources : [], search })
      return isFound ? { sources, search } : { sources: [], nearest: sources.slice(0, NEAREST), search }
    } catch (error) {
      if (!stop.aborted) throw error
      return { sources: [] }
    }
  }

  /**
   * @param {string} question
   * @param {AbortSignal} signal
   */
  async #search(question, signal) {
    const { library } = this.#options
    /** @type {import('@serotine/core').SearchResult | undefined} */
    let found
    const retriever = library.retriever((result) => (found = result))
    let documents = await retriever.invoke(question, { signal })
    // What stands between quotes has to occur as it is written; where it does not, it is a question like others.
    if (documents.length === 0 && question.includes('"'))
      documents = await retriever.invoke(question.replaceAll('"', ' '), { signal })
    return { documents, found }
  }

  /**
   * @param {ChatState} state
   * @param {NodeConfig} config
   */
  async #answer({ messages, question, sources, search }, config) {
    const { library, chatModel, silenceMs, onError } = this.#options
    const stop = stopOf(config)
    let text = ''
    /** @type {Pick<AnswerDetails, 'status' | 'problem'>} */
    let end = { status: 'answered' }
    try {
      stop.throwIfAborted()
      const history = answered(turnsOf(messages.slice(0, -1)))
      const asked = messages.at(-1)?.text ?? ''
      const pieces = chatModel
        ? answerWithModel(asked, sources, { chatModel, history, signal: stop, silenceMs })
        : extract({ asked, standalone: question }, sources, { model: library.model, signal: stop })
      for await (const piece of pieces) {
        text += piece
        tell(config, { type: 'text', text: piece })
      }
    } catch (error) {
      if (stop.aborted) end = { status: 'stopped' }
      else {
        const problem = chatModel && explainModelError(error, chatModel.name)
        if (problem === undefined) onError(error)
        end = { status: 'failed', problem: problem ?? FAILED }
      }
    }
    return reply(question, text, { ...end, sources, cited: citedIn(text, sources.length), ...(search && { search }) })
  }

  /** @param {ChatState} state */
  #nothing({ question, search, nearest }) {
    const { passages, working } = this.#options.library.state
    const text = working.length > 0 ? UNREAD : passages === 0 ? EMPTY : NOTHING
    return reply(question, text, { status: 'nothing', cited: [], sources: nearest, ...(search && { search }) })
  }
}

/**
 * A question of one word is like nothing and everything: it has to stand in a passage. And "thanks" or "how are you?" are not about any.
 *
 * @param {string} question
 * @param {readonly Source[]} sources
 */
function saysEnough(question, sources) {
  const { length } = wordsOf(question)
  return length > 1 || (length === 1 && sources.some(({ words }) => words.length > 0))
}

/**
 * @param {string} standalone
 * @param {string} text
 * @param {AnswerDetails} details
 */
function reply(standalone, text, details) {
  return { messages: [new AIMessage({ content: text, additional_kwargs: { standalone, ...details } })] }
}

/** @param {readonly Turn[]} history */
function answered(history) {
  return history.filter(({ details }) => details.status === 'answered')
}

/** @param {import('@serotine/core').SearchResult | undefined} found */
function summaryOf(found) {
  const { firstStage = 'none', candidates = 0, timings } = found ?? {}
  return { firstStage, candidates, milliseconds: { ...timings } }
}

/** @param {NodeConfig} config */
function stopOf({ context }) {
  if (!context) throw new Error('The graph was run without its context.')
  return context.stop
}

/**
 * @param {NodeConfig} config
 * @param {ChatEvent} event
 */
function tell({ writer }, event) {
  writer?.(event)
}
