/** Starts the app. */
import { CoatcheckProvider } from 'coatcheck/react'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import { client } from './client.ts'
import './styles/index.css'

const root = document.getElementById('root')
if (!root) throw new Error('The page has no #root')

createRoot(root).render(
  <CoatcheckProvider client={client}>
    <App />
  </CoatcheckProvider>,
)
