import { describe, expect, it } from 'vitest'
import type { UserConfig } from '../../src/config/user-config.ts'
import { adjustAddress } from '../../src/node/cli/address.ts'

function adjusted(
  baseUrl: string,
  listener: number | string | undefined,
  port: number | undefined,
  isHttps = false,
): unknown[] {
  const config = { baseUrl, ...(listener !== undefined && { listeners: { public: listener } }) } as UserConfig
  const result = adjustAddress(config, { port, isHttps })
  return [result.baseUrl, result.listeners?.public]
}

describe('--port', () => {
  it.each([
    ['http://localhost:3000', undefined, ['http://localhost:4000', '127.0.0.1:4000']],
    ['http://localhost', undefined, ['http://localhost:4000', '127.0.0.1:4000']],
    ['http://[::1]:3000', undefined, ['http://[::1]:4000', '[::1]:4000']],
    ['http://localhost:3000', 3000, ['http://localhost:4000', 4000]],
    ['http://localhost:3000', '0.0.0.0:3000', ['http://localhost:4000', '0.0.0.0:4000']],
    // Something else listens on baseUrl's port, and hands on.
    ['http://localhost:8080', 3000, ['http://localhost:8080', 4000]],
    ['https://app.example.com', undefined, ['https://app.example.com', 4000]],
    ['https://app.example.com', '127.0.0.1:3000', ['https://app.example.com', '127.0.0.1:4000']],
  ])('moves %s with listener %j', (baseUrl, listener, expected) => {
    expect(adjusted(baseUrl, listener, 4000)).toEqual(expected)
  })

  it('leaves a mistake for validation to name', () => {
    expect(adjusted('localhost', undefined, 4000)[0]).toBe('localhost')
    expect(adjusted('http://localhost:3000/app', undefined, 4000)[0]).toBe('http://localhost:4000/app')
    expect(adjusted('http://user@localhost:3000', undefined, 4000)[0]).toBe('http://user@localhost:3000')
  })
})

describe('--https', () => {
  it('moves a local baseUrl to https, port and all', () => {
    expect(adjusted('http://localhost:3000', undefined, undefined, true)).toEqual(['https://localhost:3000', undefined])
    expect(adjusted('https://app.localhost:3000', undefined, undefined, true)[0]).toBe('https://app.localhost:3000')
    expect(adjusted('http://localhost:3000', undefined, 443, true)[0]).toBe('https://localhost')
  })
})
