"""What callees say. A text is parts of speech with the seconds of pause between them.

Each list is written in pairs, of which one half is for tuning the rules, and the other is held out.
"""

from __future__ import annotations

from typing import Final

Part = str | float  # words, or a pause in seconds

HELLOS: Final[tuple[tuple[Part, ...], ...]] = (
    ("hello?",),
    ("hello.",),
    ("yes?",),
    ("hi.",),
    ("yeah?",),
    ("hey.",),
    ("yes, hello?",),
    ("hello, hello?",),
    ("good morning.",),
    ("good afternoon.",),
    ("speaking.",),
    ("yep?",),
    ("hi there.",),
    ("who is this?",),
    ("hello, Anna speaking.",),
    ("hello, this is Peter.",),
    ("Smith residence.",),
    ("Johnson.",),
    ("hey, what's up?",),
    ("hey, how are you?",),
    ("um, hello?",),
    ("oh, hello?",),
)
REPEATED: Final[tuple[tuple[Part, ...], ...]] = (
    ("hello?", 1.2, "hello?"),
    ("hello?", 0.7, "hello?", 1.4, "anybody there?"),
    ("yes?", 1.0, "hello?"),
    ("hello?", 0.45, "who is there?"),
    ("hello?", 1.5, "is anyone there?", 1.0, "hello?"),
    ("yeah?", 0.6, "hello?", 0.9, "I can't hear you."),
    ("hello?", 0.5, "hello?", 0.5, "hello?"),
    ("hi.", 0.8, "hello?", 0.8, "who is calling?"),
)
SENTENCES: Final[tuple[tuple[Part, ...], ...]] = (
    ("hello, who am I speaking to please?",),
    ("hi, sorry, I was just in the garden, who is this?",),
    ("hello, one second please, let me close the door.",),
    ("yes hello, I am in a meeting, can you call me back later?",),
    ("hey mum, I will be home in ten minutes, is everything all right?",),
    ("hello, sorry, it is a bit loud here, hang on, I am going outside.",),
    ("hi, this is Maria, my husband is not available right now, can I take a message?",),
    ("hello, he is not here at the moment, can I help you?",),
    ("hello, I do not know this number, who is calling please?",),
    ("yes, this is she, what is this about?",),
    ("hi, I was waiting for your call, go ahead.",),
    ("hello there, you are on speaker, my wife is here too.",),
)
COMPANIES: Final[tuple[tuple[Part, ...], ...]] = (
    ("good morning, Miller and Sons, how can I help you?",),
    ("good afternoon, city dental clinic, this is Laura, how may I help you?",),
    ("thank you for calling Green Garden Center, this is Tom speaking.",),
    ("thanks for calling Mario's, will this be for pick up or delivery?",),
    ("front desk, Daniel speaking, how can I help?",),
    ("reception, good morning, what can I do for you?",),
    ("Baker and Partners, good morning, my name is Helen, who may I connect you with?",),
    ("Northern Insurance, you are speaking with Robert, how can I help you today?",),
    ("hi, you've reached accounting, this is Dana, how can I help?",),
    ("hello, you've reached the workshop, Steve here.",),
    ("good evening, Hotel Central, Julia speaking, what can I do for you?",),
    ("good morning, law office of Peter Grant, please hold the line.",),
    ("Harbor Pharmacy, this is Kim, can you hold for a moment please?",),
    ("Saint Mary school office, Susan speaking, good morning.",),
)
GREETINGS: Final[tuple[tuple[Part, ...], ...]] = (
    ("hi, this is Bob, leave a message.",),
    ("hi, it's Karen, please leave a message after the tone.",),
    ("you've reached Anna, please leave your name and number after the beep.",),
    ("you have reached the voicemail of Thomas Green, please leave a message.",),
    ("hey, this is Mike, I can't come to the phone right now, leave me a message and I'll call you back.",),
    ("hello, this is Sarah, I'm not able to take your call at the moment, please leave your name and number.",),
    ("hi, you've reached the Wilson family, we are not home right now, please leave a message and have a nice day.",),
    ("hello, nobody is here to take your call, please speak after the tone and we will get back to you.",),
    ("this is John, leave your message at the beep, thanks.",),
    ("hi, this is Emma, sorry I missed your call, leave a message, bye.",),
    ("you have reached my mobile phone, I am busy at the moment, please try again later or leave a message.",),
    ("hello, this is the answering machine of Peter Brown, please speak after the signal.",),
    ("hi.", 0.5, "this is Lisa.", 0.5, "I can't answer the phone, so please leave a message after the beep."),
    ("hello.", 0.6, "you've reached David.", 0.4, "please leave a message after the tone."),
    ("thank you for calling Miller and Sons, our office is closed, please leave a message after the tone.",),
    ("thank you for calling the city dental clinic, we are closed at the moment, our hours are monday to friday.",),
    ("hi, you have reached Robert at Northern Insurance, I'm either on the phone or away from my desk.",),
    ("you've reached the desk of Helen Baker, I am out of the office this week and will return on monday.",),
    ("hey, you know what to do, wait for the beep.",),
    ("hi, I'm driving and can't talk now, just leave a voicemail.",),
)
CARRIER_MAILBOXES: Final[tuple[tuple[Part, ...], ...]] = (
    ("the person you are trying to reach is not available, please leave a message after the tone.",),
    ("the person you have called is unavailable right now, please leave your message after the tone.",),
    ("your call has been forwarded to an automatic voice message system.", 0.4,
     "at the tone, please record your message.", 0.3, "when you are finished recording, you may hang up."),
    ("your call has been forwarded to voicemail.", 0.4, "the person you're trying to reach is not available.", 0.3,
     "at the tone, please record your message."),
    ("welcome to the voicemail service, the person at this number cannot take your call, please record a message.",),
    ("you have reached the voice mailbox of the number four one five, five five five, zero one four two.", 0.3,
     "please leave a message after the tone."),
    ("the mailbox is full and cannot accept any messages at this time, good bye.",),
    ("the customer you are calling is not available, and the mailbox has not been set up yet, "
     "please try again later.",),
    ("we're sorry, the number you have dialed is not in service, please check the number and dial again.",),
    ("the number you have called is currently switched off, please try again later.",),
)  # fmt: skip
MENUS: Final[tuple[tuple[Part, ...], ...]] = (
    ("thank you for calling First Bank, for account information press one, for all other questions press two.",),
    ("welcome to City Gas, your call may be recorded, press one for english, press two for spanish.",),
    ("thank you for calling, please listen carefully, as our menu options have changed.",),
    (
        "welcome to the support line, all of our agents are busy, "
        "please stay on the line and your call will be answered.",
    ),
)
SCREENING: Final[tuple[tuple[Part, ...], ...]] = (
    ("hi, if you record your name and reason for calling, I will see if this person is available.",),
    ("hi, please record your name and the reason for calling, I'll see if this person can take your call.",),
    (
        "hi, the person you're calling is using a screening service, and will get a copy of this conversation.",
        0.3,
        "go ahead and say your name and why you are calling.",
    ),
    (
        "hello, the person you are calling is using a call screening assistant.",
        0.4,
        "please say who is calling and what it is about.",
    ),
    ("please state your name after the tone, and we will try to connect you.",),
    ("before I connect you, please state your name and the reason for your call.",),
    ("hello, I'm the digital assistant of the person you are calling.", 0.3, "may I ask who is calling and why?"),
    ("hi, this call is being screened, please tell me who is calling and the reason for your call.",),
    ("the person you are calling screens calls from unknown numbers, say your name and purpose of your call now.",),
    (
        "hi, I am a virtual assistant answering for Daniel, "
        "could you tell me who is calling and what this is regarding?",
    ),
)
BABBLE: Final = (
    "and then they went down to the market and bought some bread and a little cheese for the evening",
    "he said that the meeting was moved to thursday but nobody had told the people in the other building",
    "the weather has been so strange this year with all that rain in the middle of the summer",
)
