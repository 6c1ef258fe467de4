import { createClient } from 'coatcheck/client'
import { CoatcheckProvider } from 'coatcheck/react'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import './app.css'

const root = document.getElementById('root')
if (!root) throw new Error('the page has no #root')

createRoot(root).render(
  <CoatcheckProvider client={createClient()}>
    <App />
  </CoatcheckProvider>,
)
