// Double data rate registers, geared one to two. RST holds everything at zero.

`timescale 1ps / 1ps

// Q0 is what stood at D at one rising edge, Q1 what stood there at the falling edge behind it. Both come out together
// at the next rising edge.
module IDDRX1F #(
    parameter GSR = "ENABLED"
) (
    input D,
    input SCLK,
    input RST,
    output reg Q0 = 0,
    output reg Q1 = 0
);
  reg rising = 0;
  reg falling = 0;

  always @(posedge SCLK or posedge RST)
    if (RST) {rising, Q0, Q1} <= 0;
    else begin
      rising <= D;
      Q0 <= rising;
      Q1 <= falling;
    end
  always @(negedge SCLK or posedge RST)
    if (RST) falling <= 0;
    else falling <= D;
endmodule

// D0 and D1, as taken at a rising edge, appear two clocks later: D0 while the clock is high, then D1.
module ODDRX1F #(
    parameter GSR = "ENABLED"
) (
    input D0,
    input D1,
    input SCLK,
    input RST,
    output reg Q = 0
);
  reg [1:0] taken = 0;
  reg [1:0] shown = 0;
  reg second = 0;

  always @(posedge SCLK or negedge SCLK or posedge RST)
    if (RST) {taken, shown, second, Q} <= 0;
    else if (SCLK) begin
      taken <= {D1, D0};
      shown <= taken;
      second <= shown[1];
      Q <= shown[0];
    end else Q <= second;
endmodule
