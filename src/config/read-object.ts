/**
 * Reads an object field by field, so that one mistake hides no other: every field is validated by itself,
 * unknown ones are named, and checks between fields run on those that are right.
 */
import * as v from 'valibot'
import type { ConfigIssue } from './config-error.ts'
import { nearest } from './nearest.ts'

/** What is said of settings that are known, and not here. */
export type Misplaced = Readonly<Record<string, Omit<ConfigIssue, 'path'>>>

/** Where mistakes are gathered. */
export type Issues = ConfigIssue[]

export type Field<Output> = v.GenericSchema<unknown, Output>

type Fields = Record<string, Field<unknown>>
type Outputs<F extends Fields> = { [Name in keyof F]: v.InferOutput<F[Name]> }

export interface ReadObject<F extends Fields> {
  /** The fields that are right. */
  readonly partial: Partial<Outputs<F>>
  /** All fields, if all of them are right. */
  readonly complete: Outputs<F> | undefined
}

/** @param misplaced names that are easily written here, such as a setting of another kind of route */
export function readObject<F extends Fields>(
  fields: F,
  input: unknown,
  path: string,
  issues: Issues,
  misplaced: Misplaced = {},
): ReadObject<F> {
  if (!isObject(input) || Array.isArray(input)) {
    issues.push({ path, problem: `has to be an object, and is ${kindOf(input)}`, cure: `write { ${someOf(fields)} }` })
    return { partial: {}, complete: undefined }
  }
  const before = issues.length
  const known = Object.keys(fields)
  for (const name of Object.keys(input)) {
    if (!known.includes(name)) issues.push(unknownField(name, known, path, misplaced))
  }
  const meant = asMeant(input, known, misplaced)
  const output: Record<string, unknown> = {}
  for (const name of known) {
    const value = readValue(fields[name] as Field<unknown>, meant[name], join(path, name), issues)
    if (value !== undefined) output[name] = value.output
  }
  return {
    partial: output as Partial<Outputs<F>>,
    complete: issues.length === before ? (output as Outputs<F>) : undefined,
  }
}

/** With what is misspelt under the name that it means: it is one mistake, and not also that the right one is missing. */
export function asMeant(input: object, known: readonly string[], misplaced: Misplaced = {}): Record<string, unknown> {
  const meant: Record<string, unknown> = Object.create(input)
  for (const [name, value] of Object.entries(input)) {
    if (known.includes(name) || Object.hasOwn(misplaced, name)) continue
    const right = nearest(name, known)
    if (right !== undefined && !(right in meant)) meant[right] = value
  }
  return meant
}

/** One value; undefined if it is wrong. */
function readValue<Output>(
  schema: Field<Output>,
  input: unknown,
  path: string,
  issues: Issues,
): { output: Output } | undefined {
  const result = v.safeParse(schema, input)
  if (result.success) return { output: result.output }
  for (const issue of result.issues) {
    const [problem = '', cure = ''] = issue.message.split('\n')
    issues.push({ path: (issue.path ?? []).reduce((parent, item) => join(parent, item.key), path), problem, cure })
  }
  return undefined
}

/** The two halves of a mistake as the one string that a valibot message is. Neither may hold a secret. */
export function mistake(problem: string, cure: string): string {
  return `${oneLine(problem)}\n${oneLine(cure)}`
}

/** An array too. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** A message for a value of the wrong type, which is most often a variable that is not set. */
export function wanted(type: string, cure = `write ${type}`): (issue: v.BaseIssue<unknown>) => string {
  return ({ input }) =>
    input === undefined ? mistake('is not set', cure) : mistake(`has to be ${type}, and is ${kindOf(input)}`, cure)
}

export function join(path: string, name: unknown): string {
  if (typeof name === 'number') return `${path}[${name}]`
  return path ? `${path}.${String(name)}` : String(name)
}

function unknownField(name: string, known: string[], path: string, misplaced: Misplaced): ConfigIssue {
  const elsewhere = Object.hasOwn(misplaced, name) ? misplaced[name] : undefined
  if (elsewhere) return { path: join(path, name), ...elsewhere }
  const meant = nearest(name, known)
  const cure = meant ? `write ${meant}` : `leave it out; known here are ${known.join(', ')}`
  return {
    path: join(path, oneLine(name)),
    problem: 'is not a known setting',
    cure,
  }
}

function someOf(fields: Fields): string {
  return `${Object.keys(fields).slice(0, 3).join(', ')}, …`
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (value === undefined) return 'not set'
  if (Array.isArray(value)) return 'a list'
  if (value instanceof Promise) return 'a promise'
  return /^[aeiou]/.test(typeof value) ? `an ${typeof value}` : `a ${typeof value}`
}

/** What an operator wrote is shown on one line, without control characters, and not at any length. */
function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
  return line.length > 400 ? `${line.slice(0, 400)}…` : line
}
