import { beforeAll, describe, expect, it } from 'vitest'
import { checkLanguage, KEYWORD_LANGUAGES, loadStemmer } from '../../../packages/core/src/keywords/stemmers.js'
import { folded, wordsOf } from '../../../packages/core/src/keywords/words.js'
import type { Stemmer } from '../../../packages/core/src/keywords/words.js'

const asIs: Stemmer = (word) => word
const all = (text: string, stem = asIs): string[] => Array.from(wordsOf(text, stem), ({ term }) => term)
const counted = (text: string): string[] =>
  [...wordsOf(text, asIs)].filter(({ isExtra }) => !isExtra).map(({ term }) => term)

describe('words', () => {
  it('are in small letters and without accents', () => {
    expect(all('Élan, ÜBER Straße; İstanbul!')).toEqual(['elan', 'uber', 'strasse', 'istanbul'])
    expect(folded('ＦＵＬＬ　ｗｉｄｔｈ ①')).toBe('full width 1')
  })

  it('are identifiers as they are written and in their parts', () => {
    expect(all('fs.readFileSync')).toEqual(['fs', 'readfilesync', 'read', 'file', 'sync', 'fs.readfilesync'])
    expect(all('ERR_2041')).toEqual(['err', '2041', 'err_2041'])
    expect(all('v0.17-m')).toEqual(['v0', '17', 'm', 'v0.17-m'])
    expect(all('3.14 and 1,000.')).toEqual(['3', '14', '3.14', 'and', '1', '000', '1,000'])
    expect(all('HTTPServer __init__ C++ f#')).toEqual(['httpserver', 'http', 'server', 'init', 'c', 'c++', 'f', 'f#'])
    expect(all('src/keywords/words.ts')).toEqual(['src', 'keywords', 'words', 'ts', 'src/keywords/words.ts'])
  })

  it('count once for the length of a text, however often they are told', () => {
    expect(counted('fs.readFileSync is_long-term')).toEqual(['fs', 'readfilesync', 'is', 'long', 'term'])
  })

  it('end where a sentence or a line does', () => {
    expect(all('the end. Next\nline, then "quoted" (so).')).toEqual([
      'the',
      'end',
      'next',
      'line',
      'then',
      'quoted',
      'so',
    ])
    expect(all("don't l’été")).toEqual(['don', 't', 'l', 'ete'])
  })

  it('are pairs of characters where nothing is put between words', () => {
    expect(all('東京都')).toEqual(['東', '東京', '京', '京都', '都'])
    expect(all('ねこ')).toEqual(['ねこ'])
    expect(all('猫')).toEqual(['猫'])
    expect(all('が')).not.toEqual(all('か'))
    expect(all('กำ')).not.toEqual(all('กา'))
    expect(all('LINEで東京')).toEqual(expect.arrayContaining(['line', 'で東', '東京']))
  })

  it('of a text without letters and digits are none', () => {
    expect(all(' …! — \u0000 ')).toEqual([])
    expect(all('')).toEqual([])
  })

  it('are found again whatever a text is written in', () => {
    for (const text of [
      'नमस्ते दुनिया',
      '안녕하세요',
      'مرحبا بالعالم',
      'Привет мир',
      '\ud800 broken \udc00',
      '👩‍🚀 astronaut',
    ]) {
      expect(all(text.normalize('NFD')), text).toEqual(all(text.normalize('NFC')))
    }
  })
})

describe('stems', () => {
  let english: Stemmer
  beforeAll(async () => {
    english = await loadStemmer('english')
  })

  it('are what the forms of a word have in common', () => {
    expect(all('Flying flies; connections connected', english)).toEqual(['fly', 'fli', 'connect', 'connect'])
  })

  it('are not made of numbers and identifiers as a whole', () => {
    expect(all('b12ing files.ending', english)).toEqual(['b12ing', 'file', 'end', 'files.ending'])
  })

  it('can be had for every language', async () => {
    for (const language of KEYWORD_LANGUAGES) {
      const stem = await loadStemmer(language)
      expect(typeof stem('informationen'), language).toBe('string')
      for (const word of ['', 'a', 'été', 'ß', '東京', 'x'.repeat(500)]) expect(typeof stem(word), word).toBe('string')
    }
    const german = await loadStemmer('german')
    expect(german('katzen')).toBe(german('katze'))
    expect((await loadStemmer('none'))('katzen')).toBe('katzen')
  })

  it('of a language that is not there are an error that names those that are', () => {
    expect(() => checkLanguage('englisch')).toThrow(/"englisch".*Did you mean "english"/)
    expect(() => checkLanguage(7)).toThrow(/got 7/)
  })
})
