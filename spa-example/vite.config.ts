import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const client = (file: string) => fileURLToPath(new URL(`../src/client/${file}`, import.meta.url))

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { 'coatcheck/client': client('index.ts'), 'coatcheck/react': client('react.tsx') } },
  // Strict CSP: nothing is inlined as data: or script.
  build: { assetsInlineLimit: 0, modulePreload: { polyfill: false } },
})
