import { afterEach, describe } from 'vitest'
import { concurrencyCases } from './store/concurrency.js'
import { filteringCases } from './store/filtering.js'
import { keywordCases } from './store/keywords.js'
import { lifeCases } from './store/life.js'
import { readingCases } from './store/reading.js'
import { searchingCases } from './store/searching.js'
import { Stores } from './store/stores.js'
import type { StoreHarness } from './store/stores.js'
import { stringCases } from './store/strings.js'
import { tokenCases } from './store/tokens.js'
import { writingCases } from './store/writing.js'

export type { OpenCollection, StoreHarness } from './store/stores.js'

/**
 * What every store must do, whatever holds the documents. A case asks for no more than `capabilities` promise: what a store says
 * that it cannot do it must refuse, what it says that it can it must do. All stores filter by `eq`, `in`, and, or and not.
 */
export function storeContract(name: string, harness: StoreHarness): void {
  describe(`${name} keeps the contract`, () => {
    const stores = new Stores(harness)
    afterEach(() => stores.closeAll())
    describe('a change', () => writingCases(stores))
    describe('a reader', () => readingCases(stores))
    describe('a filter', () => filteringCases(stores))
    describe('a search', () => searchingCases(stores))
    describe('a search by words', () => keywordCases(stores))
    describe('token vectors', () => tokenCases(stores))
    describe('strings', () => stringCases(stores))
    describe('a store', () => lifeCases(stores))
    describe('at the same time, it', () => concurrencyCases(stores))
  })
}
