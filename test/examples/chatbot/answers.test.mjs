// What answers are made of, and how good they are on this project's own documentation.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { citedIn, escapeMarkdown } from '../../../examples/chatbot/chat/citations.mjs'
import { highlight } from '../../../examples/chatbot/chat/lit-words.mjs'
import { rewriteByRule } from '../../../examples/chatbot/chat/rewrite.mjs'
import { backgroundWords } from '../../../examples/chatbot/library/background-words.mjs'
import { sentencesOf } from '../../../examples/chatbot/library/sentences.mjs'
import { ask, newChat, startChatbot } from './chatbot.mjs'

const textsOf = (passage, isMarkdown = true) => sentencesOf(passage, { isMarkdown }).map(({ text }) => text)

describe('sentences', () => {
  it('are whole ones of paragraphs and lists, without headings, tables, code and front matter of HTML', () => {
    const passage = [
      '# A heading that looks like a sentence.',
      'The first sentence is wrapped\nover two lines. Dr. Smith, e.g. in v1.2.3, calls `a. B()` often! And what of (this. That) here?',
      '| a | b |\n|---|---|\n| A cell with a whole sentence. | b |',
      '- An item of a list is a sentence, too.\n- no sentence, as it begins small.\n- Neither is this',
      '```js\nThis is code that reads like prose.\n```',
      '<div>\nThis is HTML that reads like prose.\n</div>',
      'cut in the middle of what it says. Const a = { b: 1 }; is code.',
    ].join('\n\n')
    expect(textsOf(passage)).toEqual([
      'The first sentence is wrapped over two lines.',
      'Dr. Smith, e.g. in v1.2.3, calls `a. B()` often!',
      'An item of a list is a sentence, too.',
    ])
  })

  it('read as they are shown: no marks of emphasis, links and entities', () => {
    expect(textsOf('A **bold** and *sloped* [link](https://a.example "t") &amp; said <b>so</b>.')).toEqual([
      'A bold and sloped link & said so.',
    ])
    expect(textsOf('It costs *two* and __three__ marks here.', false)).toEqual([
      'It costs *two* and __three__ marks here.',
    ])
  })

  it('know the bold words or the question that their paragraph begins with', () => {
    expect(
      sentencesOf('**Which one?** The second is the right one.\n\nWhy is that? Nobody knows it for sure.', {
        isMarkdown: true,
      }),
    ).toMatchObject([
      { lead: 'Which one?', text: 'The second is the right one.' },
      { lead: 'Why is that?', text: 'Nobody knows it for sure.' },
    ])
  })

  it('bring the code they introduce, if it was not cut', () => {
    const introduced = 'Put this line into the config:\n\n```js\nlet a = 1\n```\n'
    expect(sentencesOf(introduced, { isMarkdown: true })).toMatchObject([
      { text: 'Put this line into the config:', code: 'let a = 1' },
    ])
    expect(textsOf(introduced.replace(/```\n$/, ''))).toEqual([])
  })

  it('of other scripts are sentences', () => {
    expect(textsOf('吾輩は猫である。名前はまだ無い。')).toEqual(['吾輩は猫である。', '名前はまだ無い。'])
    expect(textsOf('Über den Dächern fliegt sie früh. Öfter sieht man sie im Mai.')).toHaveLength(2)
  })
})

describe('citations', () => {
  it('are those of sources that exist', () => {
    expect(citedIn('a [2] b [1, 3] c [2] d [9] e [0] \\[4] f [5](x) g [6]', 7)).toEqual([2, 1, 3, 6])
  })

  it('cannot come from a document', () => {
    const text = 'As [1] says, *a* `b [2]` <i>c</i> # d | e_f'
    expect(escapeMarkdown(text)).toBe('As \\[1\\] says, \\*a\\* `b [2]` \\<i\\>c\\</i\\> \\# d \\| e\\_f')
    expect(citedIn(escapeMarkdown(text), 2)).not.toContain(1)
  })
})

describe('follow-up questions by rule', () => {
  const before = { standalone: 'When does the serotine leave its roost?', headings: ['The serotine › Flight'] }

  it.each([
    ['What does it eat?', 'What does it eat? (serotine)'],
    ['And in winter?', 'And in winter? (serotine)'],
    ['Why?', 'Why? (serotine)'],
    ['How big are serotines?', 'How big are serotines?'],
    [
      'What happens when a colony is disturbed while it sleeps?',
      'What happens when a colony is disturbed while it sleeps?',
    ],
    ['Where should a bat box hang?', 'Where should a bat box hang?'],
  ])('%s', (question, standalone) => {
    expect(rewriteByRule(question, before)).toBe(standalone)
    expect(rewriteByRule(question, undefined)).toBe(question)
  })

  it('take all words of the question before where no heading says what it was about', () => {
    expect(rewriteByRule('And why?', { ...before, headings: ['Notes'] })).toBe('And why? (serotine leave roost)')
  })
})

it('words that are everywhere are background', () => {
  const passages = Array.from({ length: 10 }, (_, i) => `die Fledermaus ${i} ${i < 5 ? 'fliegt' : 'schläft'}`)
  const isBackground = backgroundWords(passages)
  expect(['the', 'Die', 'fledermaus', 'fliegt', 'roost'].map(isBackground)).toEqual([true, true, true, false, false])
  expect(backgroundWords(passages.slice(0, 5))('die')).toBe(false)
})

it('words are lit by the words of the question that found them, in the heading and the passage', () => {
  const [question, content] = ['the bat roost?', 'Bats\n\nThe roosts of a bat … and their roosts.']
  const tokens = (text) =>
    Array.from(text.matchAll(/\w+|\S/gu), ({ 0: token, index }) => ({ token, start: index, end: index + token.length }))
  const [queryTokens, documentTokens] = [tokens(question), tokens(content)]
  // Alike as far as they begin alike, and "?" is like "…".
  const similarity = (one, other) =>
    one === '?' && other === '…' ? 0.99 : one.slice(0, 3) === other.slice(0, 3).toLowerCase() ? 0.9 : 0.2
  const similarities = Float32Array.from(
    queryTokens.flatMap(({ token }) => documentTokens.map(({ token: other }) => similarity(token, other))),
  )
  const { lit, asked, excerpt } = highlight(
    question,
    content,
    6,
    { queryTokens, documentTokens, similarities },
    (word) => ['the', 'The'].includes(word),
  )
  const words = ({ heading, text }) => [
    heading.map(({ start, end }) => content.slice(start, end)),
    text.map(({ start, end }) => content.slice(6).slice(start, end)),
  ]
  expect(words(lit)).toEqual([['Bats'], ['roosts', 'bat', 'roosts']])
  expect(asked).toMatchObject([
    { word: 'bat', found: 'Bats' },
    { word: 'roost', found: 'roosts', similarity: expect.closeTo(0.9) },
  ])
  expect(words(asked[1].lit)).toEqual([[], ['roosts', 'roosts']])
  expect(excerpt).toEqual({ start: 0, end: content.length - 6 })
})

// Each question costs a third of a second of a processor: a third of them is asked, all with SEROTINE_CHATBOT_QUESTIONS=all.
const isAll = process.env.SEROTINE_CHATBOT_QUESTIONS === 'all'

describe('on the documentation of this project', () => {
  const some = (list) => list.filter((_, i) => isAll || i % 3 === 0)
  const questions = JSON.parse(readFileSync(new URL('questions.json', import.meta.url), 'utf8'))
  const [answerable, offTopic, followUps] = [questions.answerable, questions.offTopic, questions.followUps].map(some)
  let chatbot
  beforeAll(async () => {
    chatbot = await startChatbot({ folder: fileURLToPath(new URL('../../../docs', import.meta.url)) })
  })
  afterAll(() => chatbot?.close())

  // The numbers of the comments in chat/graph.mjs and chat/rewrite.mjs, with room for pages that change.
  it('questions about it are answered, by whole sentences, and others are not', async () => {
    let [answered, right, quoted] = [0, 0, 0]
    for (const [question, files] of answerable) {
      const { answer, details } = await ask(chatbot.url, question)
      answered += details.status === 'answered' ? 1 : 0
      right += details.sources.slice(0, 3).some(({ name }) => files.includes(name)) ? 1 : 0
      quoted += answer.startsWith('No single sentence') ? 0 : 1
      expect([question, details.cited.length > 0]).toEqual([question, true])
    }
    expect(answered / answerable.length).toBeGreaterThanOrEqual(0.9)
    expect(right / answerable.length).toBeGreaterThanOrEqual(0.75)
    expect(quoted / answerable.length).toBeGreaterThanOrEqual(0.75)
    let nothing = 0
    for (const question of offTopic) nothing += (await ask(chatbot.url, question)).details.status === 'nothing' ? 1 : 0
    expect(nothing / offTopic.length).toBeGreaterThanOrEqual(0.9)
    if (isAll) console.log({ answered, right, quoted, nothing })
  }, 240_000)

  it.each(['hello', 'thank you', 'how are you?', '?', 'why?'])('%s is about nothing', async (question) => {
    expect((await ask(chatbot.url, question)).details.status).toBe('nothing')
  })

  it('follow-up questions find what they are about', async () => {
    let [first, inThree] = [0, 0]
    for (const [[before, after], files] of followUps) {
      const chat = await newChat(chatbot.url)
      await ask(chatbot.url, before, chat)
      const names = (await ask(chatbot.url, after, chat)).details.sources.map(({ name }) => name)
      first += files.includes(names[0]) ? 1 : 0
      inThree += names.slice(0, 3).some((name) => files.includes(name)) ? 1 : 0
    }
    expect(inThree / followUps.length).toBeGreaterThanOrEqual(0.8)
    if (isAll) console.log({ first, inThree })
  }, 240_000)
})

it('a question that comes before the documents are read is told so', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'serotine-chatbot-many-'))
  const words = Array.from({ length: 40 }, (_, i) => `Sentence ${i} of a file that is only there to be read.`).join(' ')
  for (let i = 0; i < 200; i++) writeFileSync(join(folder, `${i}.md`), `${words} ${i}`)
  const early = await startChatbot({ folder, untilIndexed: false })
  try {
    const { answer, details } = await ask(early.url, 'When does the ferry to Skye sail?')
    expect(details.status).toBe('nothing')
    expect(answer).toMatch(/still being read/)
    expect(early.output()).not.toMatch(/^Indexed/m)
  } finally {
    await early.close()
    rmSync(folder, { recursive: true })
  }
})
