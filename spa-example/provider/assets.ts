/** The few files that the pages need, read once. */
import { readFile } from 'node:fs/promises'
import type { KoaContextWithOIDC } from 'oidc-provider'

const types: Readonly<Record<string, string>> = {
  'mark.svg': 'image/svg+xml',
  'provider.css': 'text/css; charset=utf-8',
  'submit-now.js': 'text/javascript; charset=utf-8',
}

export async function assetRoutes() {
  const files = new Map<string, { type: string; content: Buffer }>()
  for (const [name, type] of Object.entries(types)) {
    files.set(`/assets/${name}`, { type, content: await readFile(new URL(`./assets/${name}`, import.meta.url)) })
  }

  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    const file = files.get(ctx.path)
    if (!file || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) return next()
    ctx.set({ 'Cache-Control': 'no-cache', 'X-Content-Type-Options': 'nosniff' })
    ctx.body = file.content
    ctx.type = file.type
  }
}
