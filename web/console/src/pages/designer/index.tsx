import { useParams } from 'react-router'
import { One } from './One.tsx'
import { Start } from './Start.tsx'

/** The designer: a page to begin at, and one for each draft. */
export default function DesignerPage() {
  const { saga } = useParams()
  return saga === undefined ? <Start /> : <One key={saga} name={saga} />
}
