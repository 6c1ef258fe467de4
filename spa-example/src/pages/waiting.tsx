/** Until it is known who is here, or on the way out. */
import { Brand } from '../components/icons.tsx'

export function WaitingPage({ text, isTrouble = false }: { text: string; isTrouble?: boolean }) {
  return (
    <main className="waiting-page">
      <Brand />
      <p role={isTrouble ? 'alert' : 'status'}>{text}</p>
    </main>
  )
}
