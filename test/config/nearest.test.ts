import { expect, it } from 'vitest'
import { nearest } from '../../src/config/nearest.ts'

const known = ['baseUrl', 'basePath', 'provider', 'session', 'routes']

it.each([
  ['baseURL', 'baseUrl'],
  ['bseUrl', 'baseUrl'],
  ['providr', 'provider'],
  ['sesions', 'session'],
  ['ruotes', 'routes'],
])('%s most likely means %s', (word, meant) => {
  expect(nearest(word, known)).toBe(meant)
})

it.each(['colour', 'x', ''])('%j is close to nothing', (word) => {
  expect(nearest(word, known)).toBeUndefined()
})
