import { useMay, useMe } from '@/api/session.ts'
import { useWords } from '@/i18n'
import { Empty } from '@/shared/Empty.tsx'
import { Page } from '@/shared/Page.tsx'
import { Sections } from '@/shared/Sections.tsx'
import { Keys } from './Keys.tsx'
import { Me } from './Me.tsx'
import { Signins } from './Signins.tsx'
import { words } from './words.ts'

/** Access shows who may come in, who has, and what they may do. */
export default function Access() {
  const t = useWords(words)
  const me = useMe()
  const admin = useMay('admin')
  const dev = me.data?.kind === 'developer'
  const closed = dev ? (
    <Empty title={t('dev')} text={t('devHelp')} />
  ) : admin ? undefined : (
    <Empty title={t('onlyAdmin')} />
  )
  return (
    <Page title={t('title')}>
      <Sections
        label={t('sections')}
        first={admin && !dev ? 'keys' : 'me'}
        sections={[
          { id: 'keys', name: t('keys'), show: closed ?? <Keys /> },
          { id: 'signins', name: t('signins'), show: closed ?? <Signins /> },
          { id: 'me', name: t('me'), show: <Me /> },
        ]}
      />
    </Page>
  )
}
